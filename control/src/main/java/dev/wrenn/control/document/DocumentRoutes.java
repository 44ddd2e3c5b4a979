package dev.wrenn.control.document;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.Ids;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.Map;

/**
 * The description of the API for programs, and the same as a page to read and try out. The page
 * comes from this server alone: it works without the internet and tells nobody who reads it.
 */
public final class DocumentRoutes {
    private static final String WEBJAR = "/META-INF/resources/webjars/swagger-ui/5.34.1/";
    private static final String POLICY =
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

    /** Files of the page by name: where they are kept, and their type. */
    private static final Map<String, Part> PARTS =
            Map.of(
                    "swagger-ui.css", new Part(WEBJAR + "swagger-ui.css", "text/css"),
                    "swagger-ui-bundle.js",
                            new Part(WEBJAR + "swagger-ui-bundle.js", "text/javascript"),
                    "start.js", new Part("/docs/start.js", "text/javascript"));

    private record Part(String resource, String type) {}

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.get("/openapi.yaml", DocumentRoutes::document);
        routes.get("/docs", DocumentRoutes::page);
        routes.get("/docs/{file}", DocumentRoutes::part);
    }

    private static void document(Context ctx) {
        send(ctx, Ids.class, new Part("/openapi.yaml", "application/yaml"));
    }

    private static void page(Context ctx) {
        ctx.header("Content-Security-Policy", POLICY);
        // Links are relative to the page, which has two names and may be behind a prefix.
        var home = ctx.path().endsWith("/") ? "../" : "";
        ctx.contentType("text/html; charset=utf-8")
                .result(
                        """
                        <!DOCTYPE html>
                        <html lang="en">
                        <head>
                        <meta charset="utf-8">
                        <title>Wrenn API</title>
                        <link rel="stylesheet" href="%1$sdocs/swagger-ui.css">
                        </head>
                        <body>
                        <div id="ui" data-document="%1$sopenapi.yaml"></div>
                        <script src="%1$sdocs/swagger-ui-bundle.js"></script>
                        <script src="%1$sdocs/start.js"></script>
                        </body>
                        </html>
                        """
                                .formatted(home));
    }

    private static void part(Context ctx) {
        var part = PARTS.get(ctx.pathParam("file"));
        if (part == null) {
            throw new ApiException(ErrorCode.NOT_FOUND, "the page has no such part");
        }
        send(ctx, DocumentRoutes.class, part);
    }

    private static void send(Context ctx, Class<?> owner, Part part) {
        try (var content = owner.getResourceAsStream(part.resource())) {
            if (content == null) {
                throw new WrennException(Kind.BUG, "the program lacks " + part.resource());
            }
            ctx.contentType(part.type()).result(content.readAllBytes());
        } catch (IOException e) {
            throw new WrennException(Kind.BUG, "cannot read " + part.resource(), e);
        }
    }
}
