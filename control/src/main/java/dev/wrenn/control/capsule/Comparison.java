package dev.wrenn.control.capsule;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Compares what the rows say with what the host holds, and repairs both ways. Rows are read first:
 * a capsule that appears in between is then no capsule that the host has lost.
 */
final class Comparison {
    private static final Logger LOG = LoggerFactory.getLogger(Comparison.class);

    private final CapsuleRows rows;
    private final HostAgent host;
    private final Consumer<HostCapsule> apply;
    private final InstantSource clock;
    private final String serverRun;

    /**
     * @param apply takes over what the host says of a capsule
     * @param serverRun names this process in the rows of capsules that it creates
     */
    Comparison(
            CapsuleRows rows,
            HostAgent host,
            Consumer<HostCapsule> apply,
            InstantSource clock,
            String serverRun) {
        this.rows = rows;
        this.host = host;
        this.apply = apply;
        this.clock = clock;
        this.serverRun = serverRun;
    }

    /** Compares once. */
    void run() {
        var known = rows.alive();
        var held = new HashMap<CapsuleId, HostCapsule>();
        host.inventory().forEach(c -> held.put(c.capsule(), c));
        var generations = new HashMap<CapsuleId, Long>();
        for (var row : known) {
            generations.put(row.id(), row.generation());
            if (!held.containsKey(row.id()) && isOrphan(row)) {
                var status = row.status() == Status.PENDING ? Status.ERROR : Status.STOPPED;
                LOG.atWarn()
                        .addKeyValue("capsule", row.id())
                        .addKeyValue("status", row.status())
                        .log("host does not hold a capsule that should be there");
                rows.end(
                        row.id(),
                        status,
                        "the host does not hold this capsule any more",
                        clock.instant(),
                        Capsules.ENDED);
            }
        }
        for (var report : held.values()) {
            if (report.generation() <= generations.getOrDefault(report.capsule(), -1L)) {
                continue; // nothing new
            }
            var wanted = rows.find(report.capsule());
            if (wanted.isEmpty() || wanted.get().status() == Status.STOPPED) {
                // One that is being destroyed may just be what somebody has asked for.
                LOG.atLevel(report.state() == HostState.DESTROYING ? Level.DEBUG : Level.WARN)
                        .addKeyValue("capsule", report.capsule())
                        .log("destroying a capsule that nobody wants");
                host.destroy(report.capsule());
            } else {
                apply.accept(report);
                if (report.state() == HostState.FAILED) {
                    host.destroy(report.capsule()); // nothing of it can be used; its row says why
                }
            }
        }
    }

    /** A pending row of this very process is a create that still runs. */
    private boolean isOrphan(CapsuleRow row) {
        return row.status() != Status.PENDING || !row.serverRun().equals(serverRun);
    }
}
