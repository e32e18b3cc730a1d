"use strict";

// The footer's logo would come from its maker's server; nothing on this page may.
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name !== "src" || value.startsWith("data:") || new URL(value, location.href).origin === location.origin) {
    Element.prototype.setAttribute.call(this, name, value);
  }
};

// The reader's own default names web fonts that are not served here.
const fontFamily = "system-ui, sans-serif";
const page = document.getElementById("redoc");
Redoc.init(page.dataset.schema, { theme: { typography: { fontFamily, headings: { fontFamily } } } }, page);
