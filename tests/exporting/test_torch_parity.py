"""PyTorch's own nets load what `export --format torch` wrote of their weights (marker `parity`, extra `[parity]`)."""

import numpy as np
import pytest

import jaxcnn
from jaxcnn.interop.to_torch import COUNTER, to_torch
from jaxcnn.interop.torch import variables_from_torch
from tests.exporting.nets import weights_folder
from tests.interop import golden, reference
from tests.interop.test_parity import relative_error
from tests.interop.test_to_torch import QUICK

pytestmark = pytest.mark.parity
CASES = golden.cases()
del CASES["densenet_bc_100_12-twins-3-4-False"]  # the same net by other names: a file has those of the first
COMPUTED = (*QUICK, "alexnet_owt", "resnet18", "resnet50-True", "densenet121", "mobilenet_v2", "inception_v3")
"""One of each layout's kinds, and more: their logits are compared, too."""


def built(case):
    """Returns the reference net of a case, all its weights random."""
    return reference.build(case.library, case.reference, edit=case.edit, **case.options)


def loaded(case, entries, before):
    """Returns a new reference net with these entries, which must be the ones of before, counters aside."""
    torch, *_ = reference.packages()
    net = reference.create(case.library, case.reference, **case.options)
    if case.edit is reference.stride_on_first:  # the other edits are of weights
        case.edit(net)
    net.load_state_dict(
        {name: torch.as_tensor(np.asarray(value).copy()) for name, value in entries.items()}, strict=True
    )
    for name, value in before.items():
        if not name.endswith(COUNTER):
            np.testing.assert_array_equal(np.asarray(entries[name]), value, err_msg=name)
    return net


@pytest.mark.parametrize("key", [key for key in CASES if key not in COMPUTED])
def test_the_reference_loads_the_state_dict(key):
    case = CASES[key]
    before = reference.weights(built(case))
    fields = {"num_classes": 10, **case.fields}
    found = to_torch(case.name, variables_from_torch(case.name, before, **fields), fields)
    assert found.reference == golden.called(case)
    loaded(case, found.entries, before)


@pytest.mark.parametrize("key", COMPUTED)
def test_the_reference_loads_the_file_and_says_the_same(key, tmp_path):
    case, (torch, *_) = CASES[key], reference.packages()
    net, fields = built(case), {"num_classes": 10, **case.fields}
    before = reference.weights(net)
    variables = variables_from_torch(case.name, before, **fields)
    folder = weights_folder(tmp_path, case.name, size=case.size, variables=variables, **fields)
    card = jaxcnn.export(folder, tmp_path / "net.pth", format="torch")
    assert card["torch"] == golden.called(case)

    again = loaded(case, torch.load(tmp_path / "net.pth", weights_only=True), before)
    image = np.random.default_rng(0).normal(size=(2, case.size, case.size, 3)).astype(np.float32)
    found = reference.logits(again, image)
    np.testing.assert_array_equal(found, reference.logits(net, image))
    model, ours = jaxcnn.load_variables(folder)
    assert relative_error(np.asarray(model.apply(ours, image)), found) <= 1e-4
