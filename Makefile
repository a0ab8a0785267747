# The two commands of the README are `make site` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# Extra words for ansible-playbook, for example: make site ARGS="-K --check --diff"
ARGS ?=
PLAYBOOK = .venv/bin/ansible-playbook

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: site
site: ## deploy everything on this machine (inventories/local) and run a flow through it
	@scripts/bootstrap.sh control
	$(PLAYBOOK) playbooks/site.yml $(ARGS)

.PHONY: lock
lock: ## resolve requirements/*.in anew into the lock files beside them
	@scripts/lock.sh
