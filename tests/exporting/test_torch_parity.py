"""PyTorch's own nets load what `export --format torch` wrote of their weights (marker `parity`, extra `[parity]`)."""

import numpy as np
import pytest

import jaxcnn
from jaxcnn.interop.torch import variables_from_torch
from tests.exporting.nets import weights_folder
from tests.interop import golden, reference
from tests.interop.test_parity import relative_error

pytestmark = pytest.mark.parity
CASES = golden.cases()
del CASES["densenet_bc_100_12-twins-3-4-False"]  # the same net by other names: the file has those of the first


@pytest.mark.parametrize("key", CASES)
def test_the_reference_loads_the_file_and_says_the_same(key, tmp_path):
    case = CASES[key]
    torch, *_ = reference.packages()
    net = reference.build(case.library, case.reference, edit=case.edit, **case.options)
    before = reference.weights(net)
    fields = {"num_classes": 10, **case.fields}
    variables = variables_from_torch(case.name, before, **fields)
    folder = weights_folder(tmp_path, case.name, size=case.size, variables=variables, **fields)
    card = jaxcnn.export(folder, tmp_path / "net.pth", format="torch")
    assert card["torch"] == f"{case.library}: {case.reference}"

    entries = torch.load(tmp_path / "net.pth", weights_only=True)
    again = reference.create(case.library, case.reference, **case.options)
    if case.edit is reference.stride_on_first:
        case.edit(again)
    again.load_state_dict(entries, strict=True)
    for name, value in before.items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(entries[name].numpy(), value, err_msg=name)

    image = np.random.default_rng(0).normal(size=(2, case.size, case.size, 3)).astype(np.float32)
    found = reference.logits(again, image)
    np.testing.assert_array_equal(found, reference.logits(net, image))
    model, ours = jaxcnn.load_variables(folder)
    assert relative_error(np.asarray(model.apply(ours, image)), found) <= 1e-4
