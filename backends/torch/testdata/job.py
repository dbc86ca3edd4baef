"""Checks job.yaml of generated packages, for the tests of package torch.

    python job.py DIR...

Every field must be one of kubeflow.org/v1 PyTorchJob or of Kubernetes, of the right type, as
the models of the packages kubeflow-training and kubernetes have it; those that are required
must be there. torchrun must take the arguments. An error is an exception.
"""

import re
import sys
from pathlib import Path

import kubeflow.training.models as kubeflow
import kubernetes.client.models as kubernetes
import yaml
from torch.distributed.run import get_args_parser

PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


def check(value, kind, where):
    """Checks a value against the name of its type. Returns it as an object."""
    items = re.fullmatch(r"list\[(.*)\]", kind)
    if items:
        assert isinstance(value, list), f"{where} is no list"
        return [check(v, items[1], f"{where}[{i}]") for i, v in enumerate(value)]
    items = re.fullmatch(r"dict\(str, (.*)\)", kind)
    if items:
        assert isinstance(value, dict), f"{where} is no map"
        if items[1] == "str" and where.endswith((".limits", ".requests")):
            return value  # quantities, which may be numbers
        return {k: check(v, items[1], f"{where}.{k}") for k, v in value.items()}
    if kind in PLAIN:
        assert type(value) is PLAIN[kind], f"{where} is {value!r}, no {kind}"
        return value
    model = getattr(kubeflow, kind, None) or getattr(kubernetes, kind)
    assert isinstance(value, dict), f"{where} is no {kind}"
    names = {json: name for name, json in model.attribute_map.items()}
    unknown = set(value) - set(names)
    assert not unknown, f"{where} has {unknown}, which {kind} does not"
    fields = {
        names[k]: check(v, model.openapi_types[names[k]], f"{where}.{k}")
        for k, v in value.items()
    }
    if kind == "KubeflowOrgV1PyTorchJobSpec":
        fields.setdefault("run_policy", {})  # the schema of the operator has a default
    return model(**fields)  # raises ValueError where a required field is missing


def job(folder):
    value = yaml.safe_load((Path(folder) / "job.yaml").read_text())
    assert (value["apiVersion"], value["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    made = check(value, "KubeflowOrgV1PyTorchJob", "job")
    # What the operator refuses on its own (pkg/webhooks/pytorch of training-operator).
    name = made.metadata.name
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 63, name
    replicas = made.spec.pytorch_replica_specs
    assert set(replicas) == {"Worker"}, "an elastic job has workers"
    worker = replicas["Worker"]
    elastic = made.spec.elastic_policy
    assert elastic.min_replicas <= worker.replicas <= elastic.max_replicas
    assert worker.restart_policy in ("Always", "OnFailure", "Never", "ExitCode")
    (container,) = worker.template.spec.containers
    assert container.name == "pytorch", "the operator looks for this name"
    volumes = {v.name for v in worker.template.spec.volumes}
    assert {m.name for m in container.volume_mounts} == volumes
    assert container.command == ["torchrun"]
    args = get_args_parser().parse_args(container.args)
    assert (args.nproc_per_node, args.training_script) == ("gpu", "train.py"), args


for folder in sys.argv[1:]:
    job(folder)
    print("checked", folder)
