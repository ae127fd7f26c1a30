from jaxcnn.comparing.diff import diff
from jaxcnn.comparing.nets import last_field
from jaxcnn.inside.summary import summary


def test_what_differs_between_two_nets():
    net = summary("resnet20")
    found = diff(net, "plain20")
    assert {layer.path.split("/")[-1] for layer in found.removed} == {"join", "shortcut"}
    assert found.added == ()
    assert found.first.totals.params == found.second.totals.params
    assert diff(net, net).rows() == []
    deeper = diff(summary("resnet20", depth=1), "resnet32", depth=1)
    assert [layer.path for layer in deeper.added] == [f"stage{s}_block{b}" for s in (1, 2, 3) for b in (4, 5)]
    assert ("parameters", "269,722", "464,154", "1.72 times") in deeper.totals()


def test_the_last_map_is_none_of_an_auxiliary_head():
    net = summary("googlenet", num_classes=2, image_size=64)
    assert net.layers[-1].training_only
    # by hand: the stem 27, then 5x5 kernels and poolings at distances of 8, 16 and 32 pixels
    assert last_field(net) == 27 + 2 * 32 + 16 + 5 * 64 + 32 + 2 * 128
