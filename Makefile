# The two commands of the README are `make site` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
# Additional arguments for the command of a target, for example:
#   make site ARGS="-K --check --diff"     make unit ARGS="-k work_pool -x"     make sanity ARGS="--test pep8"
ARGS ?=
STAGES = sanity lint docs unit package contract molecule machines e2e security kubernetes

.PHONY: help site test test-quick test-all $(STAGES) build importer new-kind kinds structure lock prefect-lock clean
help: ## list the targets
	@sed -nE 's/^([a-z0-9.%-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

site: ## deploy everything on this host (inventories/local) and verify it with a flow run
	@scripts/bootstrap.sh control
	.venv/bin/ansible-playbook playbooks/site.yml $(ARGS)

test: ## run the tests that every change must pass, and print a summary
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py

test-quick: ## run lint, the unit tests, and the modules on one Prefect server, without root
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py --rootless

test-all: ## run all tests, for a release (takes hours)
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py --all

sanity: ## ansible-test sanity, on a copy of this checkout
lint: ## ansible-lint, mypy, ruff, yamllint, shellcheck, Markdown, prose, changelog fragments
docs: ## the documentation of modules, filters and roles
unit: ## functions, templates and playbooks, without a server
package: ## the tarball of the collection: its files, its installation, its playbooks
contract: ## every module against a real Prefect server
molecule: ## the roles on test hosts: converge, idempotence, check mode, side effect, verify, teardown
machines: ## the test hosts themselves, and the commands of the README on new hosts
e2e: ## the local deployment: faults, load, secrets
security: ## attacks on the local deployment: from flow code, other accounts and API clients
kubernetes: ## the roles on a real cluster: a test cluster, or the one in KUBECONFIG
$(STAGES):
	@scripts/bootstrap.sh test
	@.venv/bin/python tests/run.py $@ -- $(ARGS)

core-2.%: ## install another version of ansible-core in .venv, for example: make core-2.18 sanity unit
	@scripts/bootstrap.sh test
	.venv/bin/uv pip install --quiet --python .venv --no-deps 'ansible-core~=2.$*.0'

build: ## create the tarball for Galaxy in build/
	@scripts/bootstrap.sh test
	@scripts/build.sh build

importer: build ## check the tarball as Galaxy does
	@scripts/galaxy-importer.sh build/selfhosted-prefect-$$(sed -n 's/^version: //p' galaxy.yml).tar.gz

new-kind: ## create the files of a new kind of Prefect object, for example: make new-kind NAME=artifact_collection
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/new_kind.py $(NAME)

kinds: ## update the generated lists of kinds in README, documentation, role and action group
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/kinds.py

structure: ## draw the pictures of docs/structure.md from imports and includes
	@scripts/bootstrap.sh test
	@.venv/bin/python scripts/structure.py

lock: ## update the lock files from requirements/*.in; ARGS=--upgrade updates the locked versions
	@scripts/lock.sh $(ARGS)

prefect-lock: ## add a version of Prefect to the collection, for example: make prefect-lock VERSION=3.9.1
	@scripts/bootstrap.sh test
	.venv/bin/ansible-playbook -i localhost, playbooks/lock.yml -e prefect_version=$(VERSION) \
	    -e prefect_lock_directory=roles/prefect_host/files $(ARGS)

clean: ## remove the files that the targets have created in this checkout
	rm -rf .venv .collections .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis build tests/output
	find . -name __pycache__ -prune -exec rm -rf {} +
