package dev.wrenn.control.operator;

import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.control.auth.ApiKeys;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;

/** The routes for Prometheus and for people; only the operator's keys open them. */
public final class OperatorRoutes {
    private final OperatorMetrics metrics;
    private final MachineReport machine;
    private final ApiKeys keys;
    private final Requests requests;

    /** Over these. */
    public OperatorRoutes(
            OperatorMetrics metrics, HostAgent host, ApiKeys keys, Requests requests) {
        this.metrics = metrics;
        this.machine = new MachineReport(host);
        this.keys = keys;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.get("/metrics", this::metrics);
        routes.get("/v1/status", this::status);
    }

    private void metrics(Context ctx) {
        requireOperator(ctx);
        ctx.contentType(metrics.contentType()).result(metrics.read());
    }

    private void status(Context ctx) {
        requireOperator(ctx);
        ctx.contentType("application/json").result(machine.read().toString());
    }

    private void requireOperator(Context ctx) {
        if (!keys.isOperator(requests.caller(ctx).team())) {
            throw new ApiException(
                    ErrorCode.FORBIDDEN,
                    "numbers of the platform are for its operator; use the key in the server's"
                            + " data folder");
        }
    }
}
