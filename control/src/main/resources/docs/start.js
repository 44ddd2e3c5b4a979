const place = document.getElementById("ui");
SwaggerUIBundle({ domNode: place, url: place.dataset.document, validatorUrl: null });
