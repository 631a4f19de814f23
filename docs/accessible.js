// What the theme leaves without a name or out of the keyboard's reach.
function complete() {
  document.querySelector("[data-md-component=search]")?.setAttribute("aria-label", "Search");
  document.querySelectorAll(".md-code__nav").forEach((nav, index) => nav.setAttribute("aria-label", `Code block ${index + 1}`));
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((wrap) => { wrap.tabIndex = 0; });
}

addEventListener("load", complete);
new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
