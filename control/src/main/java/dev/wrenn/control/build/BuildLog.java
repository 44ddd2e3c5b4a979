package dev.wrenn.control.build;

import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.control.build.BuildGuest.Outcome;
import dev.wrenn.control.build.BuildLogRows.Line;
import dev.wrenn.control.http.JsonBody;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What a build says on its way to the database. The build's own thread adds, the thread that
 * watches it takes and stores, so that neither waits for the other.
 */
final class BuildLog {
    private static final int LIVE_CHARS = 4 << 20;

    private final ConcurrentLinkedQueue<Line> waiting = new ConcurrentLinkedQueue<>();
    private final AtomicInteger stepsDone = new AtomicInteger();
    private int liveChars; // the build's own thread only

    /** Output of a step, as it comes; beyond a limit only the steps' entries are kept. */
    void output(int step, ProcessEvent.Channel channel, String text) {
        if (liveChars > LIVE_CHARS) {
            return;
        }
        liveChars += text.length();
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", "output");
        json.put("step", step);
        json.put("stream", channel.name().toLowerCase(Locale.ROOT));
        json.put("text", liveChars > LIVE_CHARS ? "[too much output to follow]\n" : text);
        waiting.add(new Line(false, json.toString()));
    }

    /** Something that is worth telling whoever follows. */
    void note(String text) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", "note");
        json.put("text", text);
        waiting.add(new Line(false, json.toString()));
    }

    /** The entry of a step that has ended. */
    void step(int number, Step step, Outcome outcome, Duration took) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", "step");
        json.put("step", number);
        json.put("phase", step.phase().wire());
        json.put("cmd", step.line());
        json.put("stdout", outcome.stdout());
        json.put("stderr", outcome.stderr());
        json.put("exit", outcome.exitCode());
        json.put("ok", outcome.isSuccess());
        json.put("elapsed_ms", took.toMillis());
        waiting.add(new Line(true, json.toString()));
        stepsDone.set(number);
    }

    /** The entry of a step whose outcome an earlier build left. */
    void cached(int number, Step step) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", "step");
        json.put("step", number);
        json.put("phase", step.phase().wire());
        json.put("cmd", step.line());
        json.put("stdout", "");
        json.put("stderr", "");
        json.put("exit", 0);
        json.put("ok", true);
        json.put("elapsed_ms", 0);
        json.put("cached", true);
        waiting.add(new Line(true, json.toString()));
        stepsDone.set(number);
    }

    int stepsDone() {
        return stepsDone.get();
    }

    /** What was added since the last call. */
    List<Line> take() {
        var lines = new ArrayList<Line>();
        for (var line = waiting.poll(); line != null; line = waiting.poll()) {
            lines.add(line);
        }
        return lines;
    }
}
