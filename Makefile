# Every target sets up what it needs in .venv; Python 3.11 or newer and make are all that must be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: compare test test-fast lint fit features results results-cpu gpu gpu-train docs site benchmark agreement clean

compare: $(VENV)/installed
	$(BIN)/archbench compare alexnet zfnet vgg16
	$(BIN)/archbench compare alexnet zfnet vgg16 --csv compare.csv

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

# About a minute, for work at the desk: without the tests that are marked slow.
test-fast: $(VENV)/installed-test
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

results: $(VENV)/installed
	$(BIN)/python results/make_zoo_tables.py

# The coefficients of the predicted rates, in half a minute from the packed kernels of the models with published rates.
fit: $(VENV)/installed
	$(BIN)/python results/fit_rates.py
	$(BIN)/python results/make_rates_page.py

# Trace these models and pack their kernels; takes long.
features: $(VENV)/installed
	$(PIP) --editable ".[timm]"
	$(BIN)/python results/make_features.py

# On a machine with a GPU what only one can show, in MINUTES: the same command goes on with what is missing. DRY=1 is the
# same on a CPU with small models. Needs beside the checkout: a python with torch and torchvision that the driver supports,
# numpy, pandas, rich, typer, scipy, scikit-learn, psutil and nvidia-ml-py, and once
# python3 -m pip install --no-deps --no-build-isolation .
GPU_PYTHON ?= python3
MINUTES ?= 6
gpu:
	$(GPU_PYTHON) results/gpu.py --minutes $(MINUTES) $(if $(DRY),--dry-run)

# Three models trained on the images of DATA, in about three minutes; a file of CIFAR-10 images is not in the repository.
DATA ?= cifar10:cifar10-jpeg.tar.xz
gpu-train:
	$(GPU_PYTHON) results/gpu.py --minutes 3 $(if $(DRY),--dry-run --train digits,--train $(DATA))

# Throughput of the zoo on this machine's CPU, ten minutes a call: the same command goes on.
results-cpu: $(VENV)/installed
	$(BIN)/python results/measure_throughput.py

docs: $(VENV)/installed
	$(BIN)/archbench verify --format markdown --output docs/claims.md
	$(BIN)/python results/make_training_times.py
	for model in lenet5 alexnet zfnet vgg16; do $(BIN)/archbench draw $$model --output docs/pictures/$$model.svg; done
	$(BIN)/python tools/run_docs.py

# The documentation as a site in build/site, without the network; a broken link or a page in no menu is an error.
site: $(VENV)/installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmark: $(VENV)/installed
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/tracing.py

# Every architecture of six libraries against torch's counter: hours. The same command goes on where it was.
agreement: $(VENV)/installed
	$(PIP) --editable ".[agreement]"
	$(BIN)/python benchmarks/agreement.py --resume

clean:
	rm -rf $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable ".[test,lint,docs]"
	touch $@
