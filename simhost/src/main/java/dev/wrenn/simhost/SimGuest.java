package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.FileContent;
import dev.wrenn.contract.guest.FileEntry;
import dev.wrenn.contract.guest.FileWatch;
import dev.wrenn.contract.guest.GuestConnection;
import dev.wrenn.contract.guest.GuestProcess;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.ProcessStream;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/** A session with a simulated guest; its ports are those of this machine's loopback. */
final class SimGuest implements GuestSession {
    private static final int CONNECT_LIMIT_MS = 2_000;

    private final SimProcesses processes;
    private final SimFiles files;
    private final FailPoints failPoints;
    private final Consumer<SimGuest> onClose;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final Set<SimStream> streams = ConcurrentHashMap.newKeySet();
    private final Set<SimWatch> watches = ConcurrentHashMap.newKeySet();
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    private volatile Optional<WrennException> endedBecause = Optional.empty();

    SimGuest(
            SimProcesses processes,
            SimFiles files,
            FailPoints failPoints,
            Consumer<SimGuest> onClose) {
        this.processes = processes;
        this.files = files;
        this.failPoints = failPoints;
        this.onClose = onClose;
    }

    /** The capsule was paused or is gone: whoever waits gets the reason. */
    void end(WrennException reason) {
        endedBecause = Optional.of(reason);
        streams.forEach(s -> s.fail(reason));
        watches.forEach(w -> w.fail(reason));
        connections.forEach(Connection::close);
    }

    @Override
    public ProcessStream start(ProcessStart order) {
        refuseIfEnded();
        failPoints.pass(FailPoint.START_PROCESS);
        return track(processes.start(order, files));
    }

    @Override
    public ProcessStream connect(ProcessSelector process, boolean replayScrollback) {
        refuseIfEnded();
        return track(processes.require(process).attach(replayScrollback));
    }

    private SimStream track(SimStream stream) {
        streams.add(stream);
        endedBecause.ifPresent(stream::fail); // it was ended while this one was made
        return stream;
    }

    @Override
    public List<GuestProcess> processes() {
        refuseIfEnded();
        return processes.list();
    }

    @Override
    public void signal(ProcessSelector process, Signal signal) {
        refuseIfEnded();
        processes.require(process).running().signal(signal);
    }

    @Override
    public void sendPty(ProcessSelector process, byte[] input) {
        refuseIfEnded();
        processes.requireTerminal(process).running().type(input);
    }

    @Override
    public void resizePty(ProcessSelector process, PtySize size) {
        refuseIfEnded();
        processes.requireTerminal(process).running().resize(size);
    }

    @Override
    public FileContent read(String path, long offset) {
        refuseIfEnded();
        return files.read(path, offset);
    }

    @Override
    public void write(String path, long offset, InputStream content) {
        refuseIfEnded();
        files.write(path, offset, content);
    }

    @Override
    public FileEntry stat(String path) {
        refuseIfEnded();
        return files.stat(path);
    }

    @Override
    public List<FileEntry> list(String path, int depth) {
        refuseIfEnded();
        return files.list(path, depth);
    }

    @Override
    public FileEntry makeDirectory(String path) {
        refuseIfEnded();
        return files.makeDirectory(path);
    }

    @Override
    public FileEntry move(String from, String to) {
        refuseIfEnded();
        return files.move(from, to);
    }

    @Override
    public FileEntry changeMode(String path, int mode) {
        refuseIfEnded();
        return files.changeMode(path, mode);
    }

    @Override
    public FileWatch watch(String path, boolean recursive) {
        refuseIfEnded();
        var watch = files.watch(path, recursive);
        watches.add(watch);
        endedBecause.ifPresent(watch::fail); // it was ended while this one was made
        return watch;
    }

    @Override
    public void remove(String path) {
        refuseIfEnded();
        files.remove(path);
    }

    @Override
    public GuestConnection connect(int port) {
        refuseIfEnded();
        var socket = new Socket();
        try {
            socket.connect(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                    CONNECT_LIMIT_MS);
            var connection =
                    new Connection(
                            socket,
                            socket.getInputStream(),
                            socket.getOutputStream(),
                            connections::remove);
            connections.add(connection);
            return connection;
        } catch (IOException e) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "nothing listens on port " + port + " of the capsule", e);
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            streams.forEach(SimStream::close);
            watches.forEach(SimWatch::close);
            connections.forEach(Connection::close);
            onClose.accept(this);
        }
    }

    @Override
    public void refuseIfEnded() {
        endedBecause.ifPresent(e -> {
            throw e;
        });
    }

    private record Connection(
            Socket socket, InputStream input, OutputStream output, Consumer<Connection> onClose)
            implements GuestConnection {
        @Override
        public void shutdownOutput() {
            try {
                socket.shutdownOutput();
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "the connection is gone", e);
            }
        }

        @Override
        public void close() {
            onClose.accept(this);
            try {
                socket.close();
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "the connection does not close", e);
            }
        }
    }
}
