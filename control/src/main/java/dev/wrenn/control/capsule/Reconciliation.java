package dev.wrenn.control.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCapsule;
import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps rows and host in agreement: applies what the host reports as it happens, and compares
 * everything at the start and at intervals, because a report can be lost.
 */
public final class Reconciliation implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Reconciliation.class);
    private static final Duration INTERVAL = Duration.ofSeconds(5);

    private final AutoCloseable subscription;
    private final Loop reports;
    private final Loop comparison;

    private Reconciliation(AutoCloseable subscription, Loop reports, Loop comparison) {
        this.subscription = subscription;
        this.reports = reports;
        this.comparison = comparison;
    }

    /** Compares once, then keeps watching. */
    public static Reconciliation start(Capsules capsules, HostAgent host) {
        var waiting = new LinkedBlockingQueue<HostCapsule>();
        var subscription = host.onChange(waiting::add);
        capsules.reconcile();
        var reports =
                Loop.once(
                        "host-reports",
                        () -> {
                            while (applyNext(capsules, waiting)) {
                                // until interrupted
                            }
                        });
        var comparison = Loop.every("reconciliation", INTERVAL, capsules::reconcile);
        return new Reconciliation(subscription, reports, comparison);
    }

    private static boolean applyNext(Capsules capsules, LinkedBlockingQueue<HostCapsule> waiting) {
        try {
            capsules.apply(waiting.take());
        } catch (InterruptedException _) {
            return false;
        } catch (RuntimeException e) {
            // The next comparison repairs what this report would have changed.
            LOG.atWarn().setCause(e).log("host report could not be applied");
        }
        return true;
    }

    @Override
    public void close() {
        try {
            subscription.close();
        } catch (Exception e) {
            throw new WrennException(Kind.BUG, "the host subscription does not end", e);
        } finally {
            reports.close();
            comparison.close();
        }
    }
}
