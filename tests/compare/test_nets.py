from jaxcnn.compare.nets import diff


def test_what_differs_between_two_nets():
    found = diff("resnet20", "plain20")
    assert {layer.path.split("/")[-1] for layer in found.removed} == {"join", "shortcut"}
    assert found.added == ()
    assert found.first.totals.params == found.second.totals.params
    assert diff("resnet20", "resnet20").rows() == []
    deeper = diff("resnet20", "resnet32", depth=1)
    assert [layer.path for layer in deeper.added] == [f"stage{s}_block{b}" for s in (1, 2, 3) for b in (4, 5)]
    assert ("parameters", "269,722", "464,154", "1.72 times") in deeper.totals()
