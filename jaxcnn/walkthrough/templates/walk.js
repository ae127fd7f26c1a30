"use strict";
// Shows one step at a time: by the slider, arrow keys, buttons, or the address. Without it, all steps are shown.
(() => {
  const steps = [...document.querySelectorAll(".step")];
  const slider = document.getElementById("slider");
  const all = document.getElementById("all");
  let now = 1;

  const waits = (step) => step.querySelector(".plot:not([data-shown])"); // for its charts to be drawn

  function show(number, { keep = false } = {}) {
    now = Math.min(Math.max(number, 1), steps.length);
    const every = all.getAttribute("aria-pressed") === "true";
    steps.forEach((step, index) => {
      const away = !every && index + 1 !== now;
      step.classList.toggle("away", away && !waits(step));
      step.hidden = away && waits(step);
    });
    const step = steps[now - 1];
    slider.value = now;
    slider.setAttribute("aria-valuetext", `${now} of ${steps.length}: ${step.dataset.name}`);
    document.getElementById("now").textContent = now;
    document.getElementById("name").textContent = step.dataset.name;
    if (!keep) history.replaceState(null, "", `#${now}`);
    if (every) step.scrollIntoView();
    else scrollTo(0, 0);
    dispatchEvent(new Event("shown"));
  }

  function every(on) {
    all.setAttribute("aria-pressed", on);
    show(now, { keep: true });
  }

  const drawn = async (part) => {
    while (part.querySelector(".plot:not([data-shown=done])")) await new Promise(requestAnimationFrame);
  };

  async function print() {
    every(true);
    await drawn(document);
    window.print();
  }

  // Charts of steps that nobody has looked at yet are drawn while the page is idle: the browser's own menu prints them.
  // A chart that has no size loses its drawing, so a step that is drawn is put away, and not hidden.
  async function drawAhead() {
    const idle = window.requestIdleCallback ?? ((call) => setTimeout(call, 50));
    for (const step of steps) {
      await new Promise((call) => idle(call));
      if (!step.hidden) continue;
      step.classList.add("away");
      step.hidden = false;
      dispatchEvent(new Event("shown"));
      await drawn(step);
    }
  }

  const keys = { ArrowLeft: () => now - 1, ArrowRight: () => now + 1, PageUp: () => now - 1, PageDown: () => now + 1,
    Home: () => 1, End: () => steps.length };
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "p") {
      event.preventDefault();
      print();
      return;
    }
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "a") every(all.getAttribute("aria-pressed") !== "true");
    else if (keys[event.key]) show(keys[event.key]());
    else return;
    event.preventDefault();
  });
  slider.addEventListener("input", () => show(Number(slider.value)));
  document.querySelectorAll("[data-go]").forEach((button) =>
    button.addEventListener("click", () => show(now + Number(button.dataset.go))));
  all.addEventListener("click", () => every(all.getAttribute("aria-pressed") !== "true"));
  const follow = () => show(Number(/^#(\d+)$/.exec(location.hash)?.[1] ?? 1), { keep: true });
  addEventListener("hashchange", follow);
  follow();
  drawAhead();
})();
