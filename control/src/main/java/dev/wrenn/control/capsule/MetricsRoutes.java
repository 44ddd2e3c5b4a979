package dev.wrenn.control.capsule;

import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.util.Optional;

/** The route of what a capsule uses; its host keeps that, whether it runs or is paused. */
public final class MetricsRoutes {
    private static final double HUNDREDTHS = 100;

    private final Capsules capsules;
    private final HostAgent host;
    private final Requests requests;

    /** Over these. */
    public MetricsRoutes(Capsules capsules, HostAgent host, Requests requests) {
        this.capsules = capsules;
        this.host = host;
        this.requests = requests;
    }

    /** Adds it. */
    public void addTo(Routes routes) {
        routes.get("/v1/capsules/{id}/metrics", this::metrics);
    }

    private void metrics(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        var range =
                Optional.ofNullable(ctx.queryParam("range"))
                        .filter(r -> !r.isEmpty())
                        .map(MetricsRange::of)
                        .orElse(MetricsRange.DEFAULT);
        if (row.status() != Status.RUNNING && row.status() != Status.PAUSED) {
            throw new ApiException(
                    ErrorCode.NOT_FOUND,
                    "there are no metrics of capsule %s: it is %s, not running or paused"
                            .formatted(row.id(), row.status().wire()));
        }
        var json = JsonBody.JSON.createObjectNode();
        json.put("sandbox_id", row.id().text());
        json.put("range", range.wire());
        var points = json.putArray("points");
        for (var point : host.metrics(row.id(), range.window())) {
            points.addObject()
                    .put("timestamp_unix", point.at().getEpochSecond())
                    .put("cpu_pct", Math.round(point.cpuPercent() * HUNDREDTHS) / HUNDREDTHS)
                    .put("mem_bytes", point.memoryBytes())
                    .put("disk_bytes", point.diskBytes());
        }
        ctx.contentType("application/json").result(json.toString());
    }
}
