# One task runner for people and CI; the logic is in Python. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
# PORT=8100 and FAELLESLAB_HOME=/mappe are honoured by demo, up and down.
ifdef PORT
export FAELLESLAB_PORT := $(PORT)
endif
export FAELLESLAB_HOME

.DEFAULT_GOAL := help
.PHONY: help demo test check fix up down images bench prove constraints record .python .demo-env .test-env .prove-env

help: ## vis denne liste
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r n t; do printf '  make %-12s %s\n' "$$n" "$$t"; done

demo: .demo-env ## start arbejdsbordet på denne maskine, uden isolation (PORT=, FAELLESLAB_HOME=)
	@FAELLESLAB_MODE=embedded exec $(BIN)/faelleslab-hub demo

test: .test-env ## alle prøver; installerer det, de kræver (højst 30 minutter på to kerner)
	@exec $(BIN)/python -m tests.run test

check: .test-env ## format, regler, typer og de hurtige prøver (under 90 sekunder)
	@exec $(BIN)/python -m tests.run check

fix: .test-env ## ret format og det, der kan rettes af sig selv
	@$(BIN)/ruff check --fix --quiet . ; exec $(BIN)/ruff format .

up: .demo-env ## start arbejdsbordet med Docker, i baggrunden (PORT=, FAELLESLAB_HOME=)
	@FAELLESLAB_MODE=docker exec $(BIN)/faelleslab-hub up

down: .demo-env ## stop det igen; data bliver
	@FAELLESLAB_MODE=docker exec $(BIN)/faelleslab-hub down

images: .demo-env ## byg images til servere og kørsler
	@FAELLESLAB_MODE=docker exec $(BIN)/faelleslab-hub images build

bench: .test-env ## mål tid og CPU mod papermill og almindelig JupyterHub
	@exec $(BIN)/python -m tests.run bench

prove: .prove-env ## de lange beviser; skriver daterede tal
	@exec $(BIN)/python -m tests.run prove

constraints: .test-env ## opdater de låste pakkeversioner
	@PATH="$(CURDIR)/$(BIN):$$PATH" exec images/constraints/compile

record: .test-env ## optag svar fra åbne data igen (kræver internet)
	@exec $(BIN)/python -m tests.run record

.python:
	@command -v $(PYTHON) >/dev/null || { echo "Python mangler. Gør: kør 'sudo apt install python3' (3.11 eller nyere)." >&2; exit 2; }

.demo-env: .python
	@$(PYTHON) hub/bootstrap.py demo

.prove-env: .python
	@$(PYTHON) hub/bootstrap.py prove

.test-env: .python
	@$(PYTHON) hub/bootstrap.py test
