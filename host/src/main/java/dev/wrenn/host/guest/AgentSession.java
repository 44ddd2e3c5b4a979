package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.eclipse.jetty.client.Request;

/**
 * A session over the agent's data plane protocol; services {@code process} and {@code filesystem}.
 */
public final class AgentSession implements GuestSession {
    private static final String PROCESS = "/process.Process/";
    private static final String FILESYSTEM = "/filesystem.Filesystem/";

    private final GuestAgent agent;
    private final Runnable onClose;
    private final Set<AutoCloseable> open = ConcurrentHashMap.newKeySet();
    private final Set<Request> inFlight = ConcurrentHashMap.newKeySet();
    private volatile Optional<WrennException> endedBecause = Optional.empty();
    private volatile boolean closed;

    /**
     * @param onClose called once when the session is closed
     */
    public AgentSession(GuestAgent agent, Runnable onClose) {
        this.agent = agent.observedBy(this::observed);
        this.onClose = onClose;
    }

    /**
     * Ends every open stream, transfer and call of the session; whoever waits for one gets the
     * reason. The guest is gone, but its silence alone would be noticed much later.
     */
    public void end(WrennException reason) {
        endedBecause = Optional.of(reason);
        closeStreams();
        inFlight.forEach(AgentSession::abort);
    }

    private Request observed(Request request) {
        return request.onRequestQueued(
                        queued -> {
                            inFlight.add(queued);
                            if (endedBecause.isPresent()) {
                                abort(queued); // the end may have passed over the set before
                            }
                        })
                .onComplete(result -> inFlight.remove(result.getRequest()));
    }

    /** How many calls, streams and transfers are remembered, for tests. */
    int callsUnderWay() {
        return inFlight.size();
    }

    private static void abort(Request request) {
        var _ = request.abort(new IOException("the run of the capsule has ended"));
    }

    @Override
    public ProcessStream start(ProcessStart order) {
        var message = GuestAgent.JSON.createObjectNode();
        var process = message.putObject("process");
        process.put("cmd", order.command());
        var arguments = process.putArray("args");
        order.arguments().forEach(arguments::add);
        var variables = process.putObject("envs");
        order.environment().forEach(variables::put);
        order.directory().ifPresent(d -> process.put("cwd", d));
        order.tag().ifPresent(t -> message.put("tag", t));
        order.pty().ifPresentOrElse(p -> putSize(message, p), () -> message.put("stdin", false));

        var headers = new HashMap<String, String>();
        headers.put("X-Wrenn-Drain-Grace-Ms", Long.toString(order.drainGrace().toMillis()));
        headers.put("X-Wrenn-Shell-Errors", "1");
        headers.put("X-Wrenn-Unique-Tag", "1");
        order.limit()
                .ifPresent(l -> headers.put("Connect-Timeout-Ms", Long.toString(l.toMillis())));
        order.user().ifPresent(u -> headers.put("Authorization", basic(u)));
        return track(stream(PROCESS + "Start", message, headers));
    }

    @Override
    public ProcessStream connect(ProcessSelector process, boolean replayScrollback) {
        var headers = new HashMap<String, String>();
        if (replayScrollback) {
            headers.put("X-Wrenn-Replay", "1");
        }
        return track(stream(PROCESS + "Connect", selecting(process), headers));
    }

    @Override
    public List<GuestProcess> processes() {
        var processes = new ArrayList<GuestProcess>();
        for (var p : call(PROCESS + "List", GuestAgent.JSON.createObjectNode()).path("processes")) {
            var arguments = new ArrayList<String>();
            p.path("config").path("args").forEach(a -> arguments.add(a.asText()));
            processes.add(
                    new GuestProcess(
                            p.path("pid").asInt(),
                            Optional.ofNullable(p.get("tag")).map(JsonNode::asText),
                            p.path("config").path("cmd").asText(),
                            arguments));
        }
        return processes;
    }

    @Override
    public void signal(ProcessSelector process, Signal signal) {
        var message = selecting(process);
        message.put(
                "signal",
                switch (signal) {
                    case TERM -> "SIGNAL_SIGTERM";
                    case KILL -> "SIGNAL_SIGKILL";
                });
        call(PROCESS + "SendSignal", message);
    }

    @Override
    public void sendPty(ProcessSelector process, byte[] input) {
        var message = selecting(process);
        message.putObject("input").put("pty", Base64.getEncoder().encodeToString(input));
        call(PROCESS + "SendInput", message);
    }

    @Override
    public void resizePty(ProcessSelector process, PtySize size) {
        var message = selecting(process);
        putSize(message, size);
        call(PROCESS + "Update", message);
    }

    @Override
    public FileContent read(String path, long offset) {
        return tracked(() -> AgentFiles.read(agent, path, offset));
    }

    @Override
    public void write(String path, long offset, InputStream content) {
        tracked(() -> {
            AgentFiles.write(agent, path, offset, content);
            return path;
        });
    }

    @Override
    public FileEntry stat(String path) {
        return entry(FILESYSTEM + "Stat", m -> m.put("path", path));
    }

    @Override
    public List<FileEntry> list(String path, int depth) {
        var message = GuestAgent.JSON.createObjectNode().put("path", path).put("depth", depth);
        var entries = new ArrayList<FileEntry>();
        call(FILESYSTEM + "ListDir", message)
                .path("entries")
                .forEach(e -> entries.add(AgentFiles.entry(e)));
        entries.sort(java.util.Comparator.comparing(FileEntry::path));
        return entries;
    }

    @Override
    public FileEntry makeDirectory(String path) {
        return entry(FILESYSTEM + "MakeDir", m -> m.put("path", path));
    }

    @Override
    public FileEntry move(String from, String to) {
        return entry(FILESYSTEM + "Move", m -> m.put("source", from).put("destination", to));
    }

    @Override
    public FileEntry changeMode(String path, int mode) {
        return entry(FILESYSTEM + "Chmod", m -> m.put("path", path).put("mode", mode));
    }

    @Override
    public FileWatch watch(String path, boolean recursive) {
        var message = GuestAgent.JSON.createObjectNode();
        message.put("path", path).put("recursive", recursive);
        var messages = register(stream(FILESYSTEM + "WatchDir", message, Map.of()));
        var watch = new AgentFileWatch(messages, () -> endedBecause);
        try {
            watch.awaitStart();
        } catch (WrennException e) {
            watch.close();
            throw e;
        }
        return watch;
    }

    @Override
    public void remove(String path) {
        stat(path); // the protocol calls a missing path a success, our callers must learn of it
        call(FILESYSTEM + "Remove", GuestAgent.JSON.createObjectNode().put("path", path));
    }

    @Override
    public GuestConnection connect(int port) {
        var connection = tracked(() -> BridgedConnection.open(agent, port));
        open.add(connection);
        return connection.onClose(() -> open.remove(connection));
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            closeStreams();
            onClose.run();
        }
    }

    private FileEntry entry(String method, Function<ObjectNode, ObjectNode> arguments) {
        var answer = call(method, arguments.apply(GuestAgent.JSON.createObjectNode()));
        return AgentFiles.entry(answer.path("entry"));
    }

    private JsonNode call(String method, ObjectNode message) {
        return tracked(() -> agent.call(method, message));
    }

    private ConnectStream stream(String method, ObjectNode message, Map<String, String> headers) {
        return tracked(() -> agent.stream(method, message, headers));
    }

    /** Runs a call and, if the session was ended meanwhile, says why instead of how it broke. */
    private <T> T tracked(java.util.function.Supplier<T> call) {
        refuseIfEnded();
        try {
            return call.get();
        } catch (GuestFailure e) {
            if (e.kind() == Kind.UNAVAILABLE) {
                refuseIfEnded();
            }
            throw e;
        }
    }

    @Override
    public void refuseIfEnded() {
        endedBecause.ifPresent(e -> {
            throw e;
        });
    }

    private ProcessStream track(ConnectStream messages) {
        return new AgentProcessStream(register(messages), () -> endedBecause);
    }

    /** From now on the end of the session ends the stream, until its reader closes it. */
    private ConnectStream register(ConnectStream messages) {
        open.add(messages);
        messages.onClose(() -> open.remove(messages));
        if (endedBecause.isPresent()) {
            messages.close(); // ended meanwhile; the reader gets the reason
        }
        return messages;
    }

    private void closeStreams() {
        for (var stream : open) {
            try {
                stream.close();
            } catch (Exception e) {
                throw new WrennException(Kind.BUG, "closing a guest stream failed", e);
            }
        }
        open.clear();
    }

    private static ObjectNode selecting(ProcessSelector process) {
        var message = GuestAgent.JSON.createObjectNode();
        var selector = message.putObject("process");
        switch (process) {
            case ProcessSelector.ByPid(int pid) -> selector.put("pid", pid);
            case ProcessSelector.ByTag(String tag) -> selector.put("tag", tag);
        }
        return message;
    }

    private static void putSize(ObjectNode message, PtySize size) {
        message.putObject("pty")
                .putObject("size")
                .put("cols", size.columns())
                .put("rows", size.rows());
    }

    private static String basic(String user) {
        var credentials = (user + ":").getBytes(java.nio.charset.StandardCharsets.UTF_8);
        return "Basic " + Base64.getEncoder().encodeToString(credentials);
    }
}
