"""docs/architecture.md draws the rooms as the imports have them."""

from tests.rooms import ROOT, drawing, reduced, rooms

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_has_the_drawing_of_the_imports():
    assert drawing() in PAGE


def test_every_room_is_drawn():
    assert {"train", "data/feed", "ops", "main"} <= set(rooms())
    drawn = drawing()
    assert all(room in drawn for room in rooms())


def test_arrows_that_follow_from_others_are_left_out():
    graph = {"top": {"middle", "below", "floor"}, "middle": {"below"}, "below": {"floor"}, "floor": set()}
    assert reduced(graph) == {"top": {"middle"}, "middle": {"below"}, "below": {"floor"}, "floor": set()}
