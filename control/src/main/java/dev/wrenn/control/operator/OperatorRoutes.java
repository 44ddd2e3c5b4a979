package dev.wrenn.control.operator;

import dev.wrenn.control.auth.ApiKeys;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;

/** The route for Prometheus; only the operator's keys open it. */
public final class OperatorRoutes {
    private final OperatorMetrics metrics;
    private final ApiKeys keys;
    private final Requests requests;

    /** Over these. */
    public OperatorRoutes(OperatorMetrics metrics, ApiKeys keys, Requests requests) {
        this.metrics = metrics;
        this.keys = keys;
        this.requests = requests;
    }

    /** Adds it. */
    public void addTo(Routes routes) {
        routes.get("/metrics", this::metrics);
    }

    private void metrics(Context ctx) {
        if (!keys.isOperator(requests.caller(ctx).team())) {
            throw new ApiException(
                    ErrorCode.FORBIDDEN,
                    "metrics of the platform are for its operator; use the key in the server's"
                            + " data folder");
        }
        ctx.contentType(metrics.contentType()).result(metrics.read());
    }
}
