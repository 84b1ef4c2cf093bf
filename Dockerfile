# One image for servers, workers, board, stand-ins and commands: one set of pinned packages, one version that is said everywhere.
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PATH=/opt/opsflows/.venv/bin:$PATH
WORKDIR /opt/opsflows

# kubernetes-client: kubectl, for sinks that are Kubernetes secrets. The rotation worker alone has a kubeconfig, so only there does it
# reach anything; a second image for it would be a second version. socat: the relays to the stand-ins (OPSFLOWS_RELAYS).
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends kubernetes-client socat && rm -rf /var/lib/apt/lists/*

# What changes rarely first, so that a change of ours does not install everything again. Hashes are checked; no test tools and no
# compiler. Compiled to bytecode here, since the user below may not write beside the sources and every process would compile anew.
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir 'uv>=0.7,<1' \
 && uv venv --no-project .venv \
 && uv pip install --no-cache --compile-bytecode --require-hashes -r pyproject.toml --group install -c requirements.lock

COPY blocks blocks
COPY deployments deployments
# The board shows the runbooks that it links to.
COPY docs docs
COPY domain domain
COPY entrypoints entrypoints
COPY flows flows
COPY ledger ledger
COPY mocks mocks
COPY steps steps
COPY tasks tasks
COPY vendors vendors
COPY opsflows.toml ./
# VERSION stands for the commit, which an image does not have: a rehearsal proves one version of the code.
RUN uv pip install --no-cache --no-deps --no-build-isolation -e . \
 && python -m compileall -q blocks deployments domain entrypoints flows ledger mocks steps tasks vendors \
 && find . -path ./.venv -prune -o \( -name '*.py' -o -name '*.jinja' -o -name '*.css' \) -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum \
    | cut -c1-12 | sed 's/^/image-/' > VERSION \
 && useradd --system --uid 10001 --home-dir /var/lib/opsflows --create-home opsflows \
 && install -d -o opsflows -g opsflows -m 0700 /var/lib/opsflows /var/lib/stand-ins

# Not root, and owner of nothing but its home: the code cannot change itself.
USER opsflows
# Secrets from files, the refusal of an open server, the relays; then it becomes the program.
ENTRYPOINT ["python", "-m", "entrypoints.container"]
CMD ["opsflows", "--help"]
