# The worker, and the `baton` command beside it. No secret goes in here: they are mounted as files (docker-compose.yml).
# The tag names the Python release and Debian's; a digest would pin harder and could not be looked up where this was written.
FROM python:3.11.16-slim-bookworm

# No versions: a Debian release changes for security only, and takes the package that it replaces away.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap git openssh-client \
    && rm -rf /var/lib/apt/lists/*

# A fixed number, so that the files of the state volume keep their owner when the image is built anew.
# ssh looks for its key and its known hosts in the home folder of the user, whatever HOME says.
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin baton \
    && install --directory --owner=baton --group=baton --mode=0700 /home/baton/.ssh /var/lib/baton

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

WORKDIR /opt/baton

# First and alone: changed code does not install the dependencies again.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md policy.toml baton.toml config.py connection.py contexts.py converter.py logs.py model_choice.py places.py search_attributes.py setting_digests.py starter.py task_queues.py worker.py worker_parts.py workflow_runner.py ./
COPY activities ./activities
COPY agents ./agents
COPY commands ./commands
COPY console ./console
COPY contracts ./contracts
COPY launch ./launch
COPY ledger ./ledger
COPY workflows ./workflows
COPY docs/runbooks.md ./docs/runbooks.md
COPY deploy/worker/healthy.py ./deploy/worker/healthy.py
# As `make setup` installs it. Compiled here, because nobody can write here later and the health check starts often.
RUN pip install --no-deps --no-build-isolation --editable . \
    && python -m compileall -q .

USER baton
CMD ["python", "worker.py"]
