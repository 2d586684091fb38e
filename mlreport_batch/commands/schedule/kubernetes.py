"""A Kubernetes CronJob: printed, for ``kubectl apply -f -``."""

import json
import os

from mlreport_batch.commands.schedule.call import Call
from mlreport_batch.commands.schedule.when import When
from mlreport_batch.config.settings import Config

_NAME = "mlreport-batch"
_HEAD = """\
# kubectl apply -f - makes it, and changes it when it is there already. To be set: the
# image (the Dockerfile of the sources makes one), and the two claims: the runs are only
# read; the state must lie on a disk of its own, not on a network file system. The
# password comes from a Secret: smtp.password_env in the config names its key, as the
# keys that end in _env do for other secrets.
"""
_CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data:
  config.yaml: |
{text}
---
"""
_CRON_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}}}
spec:
  schedule: {schedule}{zone}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 2100
      template:
        spec:
          restartPolicy: Never
          securityContext: {{runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000}}
          containers:
            - name: tick
              image: mlreport-batch:latest
              command: [mlreport-batch, run, -q, -c, /config/config.yaml]
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              resources: {{limits: {{memory: 1Gi}}}}
              env:
                - {{name: HOME, value: {home}}}{env}
              volumeMounts:
                - {{name: config, mountPath: /config}}
                - {{name: tmp, mountPath: /tmp}}
{mounts}
          volumes:
            - {{name: config, configMap: {{name: mlreport-batch}}}}
            - {{name: tmp, emptyDir: {{}}}}
{volumes}
"""
_ENV = """
                - name: {name}
                  valueFrom: {{secretKeyRef: {{name: mlreport-batch, key: {name}}}}}"""


def manifest(config: Config, call: Call, when: When) -> str:
    """Return the manifest of a ConfigMap and a CronJob.

    A folder of runs is mounted at the path that the config names, so the config stays
    as it is. Where one line of cron cannot say when, there are several CronJobs.

    Raises:
        UsageError: A path holds a line break.
    """
    call.arguments()
    text = ""
    if config.source is not None and config.source.is_file():
        lines = config.source.read_text("utf-8").splitlines()
        text = "\n".join(f"    {line}".rstrip() for line in lines)
    zone = f"\n  timeZone: {json.dumps(call.timezone)}" if call.timezone else ""
    fields = when.cron_fields()
    jobs = [
        _CRON_JOB.format(
            name=_NAME if len(fields) == 1 else f"{_NAME}-{number}",
            schedule=json.dumps(each),
            zone=zone,
            home=json.dumps(os.path.expanduser("~"), ensure_ascii=False),
            env="".join(_ENV.format(name=each) for each in call.variables),
            mounts="\n".join(f"                - {each}" for each in _mounts(config)),
            volumes="\n".join(f"            - {each}" for each in _claims(config)),
        )
        for number, each in enumerate(fields, 1)
    ]
    return _HEAD + _CONFIG_MAP.format(name=_NAME, text=text) + "---\n".join(jobs)


def _places(config: Config) -> list[tuple[str, str, bool]]:
    """Return (name, path, whether it is only read) of each folder."""
    places = [
        (f"runs-{number}" if number > 1 else "runs", root.path, True)
        for number, root in enumerate(config.runs, 1)
        if not root.is_remote
    ]
    places.append(("state", os.fspath(config.state), False))
    if config.mail.via == "outbox":
        places.append(("outbox", os.fspath(config.outbox.dir), False))
    return places


def _mounts(config: Config) -> list[str]:
    return [
        f"{{name: {name}, mountPath: {json.dumps(path, ensure_ascii=False)}, "
        f"readOnly: {str(is_read).lower()}}}"
        for name, path, is_read in _places(config)
    ]


def _claims(config: Config) -> list[str]:
    return [
        f"{{name: {name}, persistentVolumeClaim: {{claimName: mlreport-{name}}}}}"
        for name, _, _ in _places(config)
    ]
