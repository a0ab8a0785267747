# The two commands of the README are `make site` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
# Extra words for the command of a target, for example:
#   make site ARGS="-K --check --diff"     make unit ARGS="-k work_pool -x"     make sanity ARGS="--test pep8"
ARGS ?=
STAGES = sanity lint docs unit package contract molecule machines e2e security kubernetes

.PHONY: help site test test-quick test-all $(STAGES) build importer new-kind kinds structure lock prefect-lock clean
help: ## list the targets
	@sed -nE 's/^([a-z0-9.%-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

site: ## deploy everything on this machine (inventories/local) and run a flow through it
	@scripts/bootstrap.sh control
	.venv/bin/ansible-playbook playbooks/site.yml $(ARGS)

test: ## what every change has to pass, of each stage below, then one line that sums it up
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py

test-quick: ## for a first contribution, without root: lint, unit, and the modules on one Prefect server
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py --rootless

test-all: ## all of every stage, for a release: hours
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py --all

sanity: ## ansible-test sanity, on a copy of this checkout
lint: ## ansible-lint, mypy, ruff, yamllint, shellcheck, Markdown, prose, changelog fragments
docs: ## what modules, filters and roles document about themselves
unit: ## pure functions, no server
package: ## the collection as a tarball: its files, its installation, its playbooks
contract: ## every module against a real Prefect server
molecule: ## the roles on throwaway machines: converge, idempotence, check mode, side effect, verify, teardown
machines: ## the throwaway machines themselves, and the commands of the README on fresh ones
e2e: ## the local platform as a whole: faults, load, secrets
security: ## attacks: from flow code, from other accounts, from clients of the API
kubernetes: ## the roles on a real cluster, which it makes, or on the one of KUBECONFIG
$(STAGES):
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py $@ -- $(ARGS)

core-2.%: ## another ansible-core in .venv, for example: make core-2.18 sanity unit
	@scripts/bootstrap.sh test
	.venv/bin/uv pip install --quiet --python .venv --no-deps 'ansible-core~=2.$*.0'

build: ## the tarball for Galaxy, in build/
	@scripts/bootstrap.sh test
	@scripts/build.sh build

importer: build ## what Galaxy says of that tarball
	@scripts/galaxy-importer.sh build/selfhosted-prefect-$$(sed -n 's/^version: //p' galaxy.yml).tar.gz

new-kind: ## begin a new kind of Prefect object, for example: make new-kind NAME=artifact_collection
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/new_kind.py $(NAME)

kinds: ## write what README, documentation, role and action group say of all kinds of objects
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/kinds.py

structure: ## draw the pictures of docs/structure.md from imports and includes
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/structure.py

lock: ## resolve requirements/*.in into the lock files beside them; ARGS=--upgrade moves what is locked
	@scripts/lock.sh $(ARGS)

prefect-lock: ## add a version of Prefect to the collection, for example: make prefect-lock VERSION=3.9.1
	@scripts/bootstrap.sh test
	.venv/bin/ansible-playbook -i localhost, playbooks/lock.yml -e prefect_version=$(VERSION) \
	    -e prefect_lock_directory=roles/prefect_host/files $(ARGS)

clean: ## remove what the targets above made in this checkout
	rm -rf .venv .collections .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis build tests/output
	find . -name __pycache__ -prune -exec rm -rf {} +
