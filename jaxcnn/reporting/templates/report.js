"use strict";
// Shows the charts, and has the switches above the curves work. Charts in a closed part are shown once it is opened,
// those in a hidden one at the event "shown".
(() => {
  const shown = [];
  const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const tagged = (plot, tag) => [...plot.references()].filter((model) => model.glyph && model.tags.includes(tag));
  const colour = (plot) => tagged(plot, "ink").forEach((each) => { each.glyph.text_color = ink(); });

  function switched(plot) {
    const form = document.querySelector(".switches");
    if (!form) return;
    const off = [...form.querySelectorAll("[data-tag]:not(:checked)")].map((box) => box.dataset.tag);
    const x = form.elements.x.value;
    const curves = tagged(plot, "curve");
    for (const curve of curves) {
      curve.visible = !curve.tags.some((tag) => off.includes(tag));
      if (curve.glyph.x.field !== x) curve.glyph.x = { field: x };
    }
    if (curves.length) plot.below[0].axis_label = x;
  }

  async function show(place) {
    if (place.dataset.shown) return;
    place.dataset.shown = "begun";
    const item = JSON.parse(document.getElementById(place.dataset.item).textContent);
    await Bokeh.embed.embed_item(item, place.id);
    const plot = Bokeh.index[item.root_id].model;
    shown.push(plot);
    colour(plot);
    switched(plot);
    place.dataset.shown = "done";
  }

  const visible = (place) => !place.closest("details:not([open]), [hidden]");
  const showAll = () => document.querySelectorAll(".plot").forEach((place) => { if (visible(place)) show(place); });

  function follow() {
    const aim = location.hash && document.getElementById(location.hash.slice(1));
    if (aim && aim.matches("details")) aim.open = true;
  }

  document.querySelectorAll("details").forEach((each) => each.addEventListener("toggle", showAll));
  document.querySelector(".switches")?.addEventListener("change", () => shown.forEach(switched));
  document.querySelector(".switches")?.addEventListener("submit", (event) => event.preventDefault());
  dark.addEventListener("change", () => shown.forEach((plot) => { colour(plot); plot.change.emit(); }));
  addEventListener("shown", showAll);
  addEventListener("hashchange", follow);
  follow();
  showAll();
})();
