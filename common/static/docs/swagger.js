"use strict";

const page = document.getElementById("swagger-ui");
SwaggerUIBundle({
  url: page.dataset.schema,
  domNode: page,
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null, // The default sends the document to an outside service.
  presets: [SwaggerUIBundle.presets.apis],
});
