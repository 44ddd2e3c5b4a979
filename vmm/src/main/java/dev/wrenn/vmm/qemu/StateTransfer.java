package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/**
 * Moves VM state between QEMU and files, as a migration whose memory stays behind.
 *
 * <p>The capability {@code x-ignore-shared} leaves the guest's memory out of the stream (QEMU
 * migration/ram.c, {@code migrate_ram_is_ignored}): QEMU believes that it is shared with the other
 * side, which through the page server it is.
 */
final class StateTransfer {
    /** Device state of a microvm has some 60 KiB; more than this is not one of ours. */
    private static final long LIMIT_BYTES = 64L << 20;

    private static final Duration CANCEL_LIMIT = Duration.ofSeconds(5);
    private static final Set<String> FINAL = Set.of("completed", "failed", "cancelled");

    private final Qmp qmp;

    StateTransfer(Qmp qmp) {
        this.qmp = qmp;
    }

    /** Says, right after the connection was made, how migrations are done. */
    Qmp.Waiting configure() {
        return qmp.send(
                "configuring the VMM",
                "migrate-set-capabilities",
                Map.of(
                        "capabilities",
                        java.util.List.of(
                                Map.of("capability", "x-ignore-shared", "state", true),
                                Map.of("capability", "events", "state", true))));
    }

    /** Starts to load the state from a descriptor that QEMU has inherited. */
    Loading load(int descriptor) {
        var outcome = expectEnd("loading VM state");
        var accepted =
                qmp.send("loading VM state", "migrate-incoming", Map.of("uri", "fd:" + descriptor));
        return new Loading(accepted, outcome);
    }

    /** A load under way. */
    final class Loading {
        private final Qmp.Waiting accepted;
        private final Qmp.Waiting outcome;

        private Loading(Qmp.Waiting accepted, Qmp.Waiting outcome) {
            this.accepted = accepted;
            this.outcome = outcome;
        }

        /** Waits until the devices are as they were saved. */
        void await(Deadline deadline) {
            accepted.await(deadline);
            demandCompleted("loading VM state", outcome.await(deadline).path("status").asText());
        }
    }

    /** Writes the state of a frozen VM to a new file, by way of a socket. */
    void save(Path to, Jail jail, Deadline deadline) {
        var socket = jail.stateSocket();
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                var forks = new Forks()) {
            Files.deleteIfExists(socket);
            server.bind(UnixDomainSocketAddress.of(socket));
            jail.admit(socket);
            var receiving = forks.start("receive VM state", () -> receive(server, to));
            var outcome = expectEnd("saving VM state");
            qmp.execute(
                    "saving VM state",
                    "migrate",
                    Map.of("uri", "unix:" + Jail.stateSocketInside()),
                    deadline);
            try {
                demandCompleted("saving VM state", outcome.await(deadline).path("status").asText());
                receiving.take(deadline.left());
            } catch (Qmp.QmpClosed e) {
                throw e;
            } catch (WrennException e) {
                cancel();
                throw e;
            }
        } catch (IOException e) {
            throw failed(to, new VmmFailed(Kind.UNAVAILABLE, "cannot receive VM state", e));
        } catch (WrennException e) {
            throw failed(to, e);
        } finally {
            remove(socket);
        }
    }

    private Qmp.Waiting expectEnd(String attempt) {
        return qmp.expect(
                attempt,
                event ->
                        event.name().equals("MIGRATION")
                                && FINAL.contains(event.data().path("status").asText()));
    }

    /** Brings QEMU back to where it can run on or save again. */
    private void cancel() {
        var deadline = Deadline.after(CANCEL_LIMIT);
        var status = status(deadline).path("status").asText();
        if (status.isEmpty() || FINAL.contains(status)) {
            return;
        }
        var outcome = expectEnd("cancelling a save");
        qmp.execute("cancelling a save", "migrate_cancel", Map.of(), deadline);
        outcome.await(deadline);
    }

    private com.fasterxml.jackson.databind.JsonNode status(Deadline deadline) {
        return qmp.execute("asking for the migration", "query-migrate", Map.of(), deadline);
    }

    private void demandCompleted(String attempt, String status) {
        if (!status.equals("completed")) {
            var reason = status(Deadline.after(CANCEL_LIMIT)).path("error-desc").asText(status);
            throw new VmmFailed(Kind.UNAVAILABLE, attempt, new LastWords(reason));
        }
    }

    private static long receive(ServerSocketChannel server, Path to) {
        try (var connection = server.accept();
                var file =
                        FileChannel.open(
                                to, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            var buffer = ByteBuffer.allocate(256 * 1024);
            long total = 0;
            while (connection.read(buffer) >= 0) {
                total += buffer.flip().remaining();
                if (total > LIMIT_BYTES) {
                    throw new IOException("VM state has more than " + LIMIT_BYTES + " bytes");
                }
                while (buffer.hasRemaining()) {
                    file.write(buffer);
                }
                buffer.clear();
            }
            return total;
        } catch (IOException e) {
            // QEMU may have sent everything by then, and believe in its success.
            throw new VmmFailed(Kind.UNAVAILABLE, "storing VM state", e);
        }
    }

    private static WrennException failed(Path to, WrennException failure) {
        try {
            Files.deleteIfExists(to);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        return failure;
    }

    private static void remove(Path socket) {
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot remove the socket of a save", e);
        }
    }
}
