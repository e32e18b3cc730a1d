"use strict";

// The footer's logo would come from its maker's server; nothing on this page may. It is set both ways.
const isOwn = (url) => new URL(url, location.href).origin === location.origin || url.startsWith("data:");
const { get, set } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
Object.defineProperty(HTMLImageElement.prototype, "src", {
  get,
  set(url) {
    if (isOwn(url)) set.call(this, url);
    else setTimeout(() => this.dispatchEvent(new Event("error"))); // The reader then leaves the image out.
  },
});
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name !== "src" || isOwn(value)) Element.prototype.setAttribute.call(this, name, value);
};

// The reader's own default names web fonts that are not served here.
const fontFamily = "system-ui, sans-serif";
const page = document.getElementById("redoc");
Redoc.init(page.dataset.schema, { theme: { typography: { fontFamily, headings: { fontFamily } } } }, page);
