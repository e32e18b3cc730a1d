# One image for every role; docker-compose.yml says which command runs in which container.

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/venv
COPY requirements.txt ./
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8000
# The folders belong to the user before volumes are laid over them: a new volume takes over their owner.
RUN groupadd --gid 10001 forecourt \
    && useradd --uid 10001 --gid forecourt --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin forecourt \
    && mkdir -p /data/media /data/exports /data/logs /data/mails /data/queue/messages /data/queue/control \
    && chown -R forecourt:forecourt /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py gunicorn.conf.py deploy/healthcheck.py LICENSE ./
COPY common common
COPY accounts accounts
COPY cars cars
COPY workshop workshop
COPY parking parking
COPY auctions auctions
COPY config config
# Collected as in production; the settings want secrets, but nothing of these stays in the image.
RUN random() { python -c 'import secrets; print(secrets.token_urlsafe(64))'; } \
    && SECRET_KEY=$(random) JWT_SECRET_KEY=$(random) ALLOWED_HOSTS=localhost DATABASE_URL=postgres://none/none \
       REDIS_URL=redis://none DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build \
    && python -m compileall -q accounts auctions cars common config parking workshop
USER forecourt
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["python", "/app/healthcheck.py", "web"]
CMD ["gunicorn", "config.wsgi"]
