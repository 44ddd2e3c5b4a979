package dev.wrenn.control.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.gateway.Admission;
import dev.wrenn.contract.gateway.Admission.Reason;
import dev.wrenn.contract.gateway.CapsuleDoor;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.control.auth.ApiKeys;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Lets requests in to the ports of capsules.
 *
 * <p>What was found for a capsule is kept as long as its run goes on, and no longer: the run itself
 * tells its end, so a request after a pause or a destroy is decided anew (gap T18). Keys are
 * checked for every request.
 */
public final class PortDoor implements CapsuleDoor {
    private static final Duration TOUCH_STEP = Duration.ofSeconds(15);
    private static final int ATTEMPTS = 3;

    private final Capsules capsules;
    private final HostAgent host;
    private final ApiKeys keys;
    private final InstantSource clock;
    private final Map<CapsuleId, Open> open = new ConcurrentHashMap<>();
    private final Map<CapsuleId, CompletableFuture<Optional<WrennException>>> resumes =
            new ConcurrentHashMap<>();

    /** To those capsules. */
    public PortDoor(Capsules capsules, HostAgent host, ApiKeys keys, InstantSource clock) {
        this.capsules = capsules;
        this.host = host;
        this.keys = keys;
        this.clock = clock;
    }

    /**
     * A run that requests go to.
     *
     * @param touchedAt when its use was last noted in the database
     */
    private record Open(
            TeamId team, PortRules rules, GuestPorts ports, AtomicReference<Instant> touchedAt) {}

    @Override
    public Admission admit(CapsuleId capsule, Optional<String> apiKey) {
        var known = Optional.ofNullable(open.get(capsule)).filter(o -> o.ports().isOpen());
        if (known.isPresent()) {
            var refusal = refusal(capsule, known.get().team(), known.get().rules(), apiKey);
            return refusal.isPresent() ? refusal.get() : granted(capsule, known.get());
        }
        var row = capsules.find(capsule);
        if (row.isEmpty()) {
            return new Admission.Refused(Reason.ABSENT, "there is no capsule " + capsule);
        }
        var refusal = refusal(capsule, row.get().team(), row.get().ports(), apiKey);
        return refusal.isPresent() ? refusal.get() : enter(capsule);
    }

    /** Who may not come in; a private capsule of another team does not exist for its caller. */
    private Optional<Admission> refusal(
            CapsuleId capsule, TeamId owner, PortRules rules, Optional<String> apiKey) {
        if (!rules.arePrivate()) {
            return Optional.empty();
        }
        try {
            if (keys.authenticate(apiKey).team().equals(owner)) {
                return Optional.empty();
            }
            return Optional.of(
                    new Admission.Refused(Reason.ABSENT, "there is no capsule " + capsule));
        } catch (ApiException e) {
            return Optional.of(
                    new Admission.Refused(
                            Reason.UNAUTHORIZED,
                            "the ports of this capsule are private: " + e.shownMessage()));
        }
    }

    /** Finds the present run, after a resume if need be. */
    private Admission enter(CapsuleId capsule) {
        var refused = notRunning(capsule, "not running");
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            var row = capsules.find(capsule).orElseThrow();
            if (row.status() != Status.RUNNING && row.status() != Status.PAUSED) {
                return notRunning(capsule, row.status().wire());
            }
            if (row.status() == Status.PAUSED) {
                refused = notRunning(capsule, "paused; resume it first");
            } else {
                try {
                    return opened(row, host.ports(capsule));
                } catch (WrennException e) {
                    // The row is late: the host is pausing it, or has lost it.
                    refused = refusedBecause(e);
                }
            }
            if (!row.ports().autoResume() || refused.reason() != Reason.NOT_RUNNING) {
                return refused;
            }
            var failure = resumeTogether(capsule);
            if (failure.isPresent()) {
                refused = refusedBecause(failure.get());
                if (refused.reason() != Reason.NOT_RUNNING) {
                    return refused;
                }
                // Somebody else resumed, paused or destroyed it in between: look again.
            }
        }
        return refused;
    }

    private static Admission.Refused notRunning(CapsuleId capsule, String how) {
        return new Admission.Refused(
                Reason.NOT_RUNNING, "capsule %s is %s".formatted(capsule, how));
    }

    private static Admission.Refused refusedBecause(WrennException failure) {
        return new Admission.Refused(
                failure.kind() == Kind.WRONG_STATE ? Reason.NOT_RUNNING : Reason.UNAVAILABLE,
                failure.shownMessage());
    }

    private Admission opened(CapsuleRow row, GuestPorts ports) {
        var made = new Open(row.team(), row.ports(), ports, new AtomicReference<>(Instant.EPOCH));
        open.put(row.id(), made);
        ports.onEnd(_ -> open.remove(row.id(), made));
        return granted(row.id(), made);
    }

    private Admission granted(CapsuleId capsule, Open run) {
        var last = run.touchedAt().get();
        var now = clock.instant();
        if (Duration.between(last, now).compareTo(TOUCH_STEP) > 0
                && run.touchedAt().compareAndSet(last, now)) {
            capsules.touched(capsule);
        }
        return new Admission.Granted(run.ports());
    }

    /** One resume for all who want in at the same time; returns why it failed, if it did. */
    private Optional<WrennException> resumeTogether(CapsuleId capsule) {
        var mine = new CompletableFuture<Optional<WrennException>>();
        var underWay = resumes.putIfAbsent(capsule, mine);
        if (underWay != null) {
            return await(underWay);
        }
        Optional<WrennException> outcome =
                Optional.of(new WrennException(Kind.BUG, "the resume broke off"));
        try {
            capsules.resume(capsule);
            outcome = Optional.empty();
        } catch (WrennException e) {
            outcome = Optional.of(e);
        } finally {
            resumes.remove(capsule, mine);
            mine.complete(outcome);
        }
        return outcome;
    }

    private static Optional<WrennException> await(
            CompletableFuture<Optional<WrennException>> outcome) {
        try {
            return outcome.get();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "stopped waiting for the resume");
        } catch (ExecutionException e) {
            throw new WrennException(Kind.BUG, "a resume ended without an outcome", e);
        }
    }
}
