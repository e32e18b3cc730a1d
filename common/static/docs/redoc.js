"use strict";

// The reader's own default names web fonts that are not served here.
const fontFamily = "system-ui, sans-serif";
const page = document.getElementById("redoc");
Redoc.init(page.dataset.schema, { theme: { typography: { fontFamily, headings: { fontFamily } } } }, page);
