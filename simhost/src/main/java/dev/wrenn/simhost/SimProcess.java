package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestProcess;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.Signal;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One process of a simulated guest and those who follow it. */
final class SimProcess implements Programs.Output {
    private static final int SCROLLBACK_BYTES = 64 << 10;

    private final ProcessStart order;
    private final Consumer<SimProcess> onEnd;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final ReentrantLock lock = new ReentrantLock();
    private final List<SimStream> readers = new ArrayList<>(); // guarded by lock
    private final ByteArrayOutputStream shown = new ByteArrayOutputStream(); // guarded by lock
    private Programs.@Nullable Running running; // written once, before started is counted down
    private volatile boolean timedOut;

    SimProcess(ProcessStart order, Consumer<SimProcess> onEnd) {
        this.order = order;
        this.onEnd = onEnd;
    }

    /** Starts the program; its first reader misses nothing. */
    SimStream start(Programs programs, Programs.Surroundings surroundings) {
        var stream = new SimStream(this::detach);
        readers.add(stream);
        running = programs.start(order, surroundings, this);
        stream.put(new ProcessEvent.Started(running().pid()));
        started.countDown();
        order.limit().ifPresent(l -> Loop.once("sim-limit-" + pid(), () -> endAt(l)));
        return stream;
    }

    /** One more reader, from now on. */
    SimStream attach(boolean replay) {
        var stream = new SimStream(this::detach);
        lock.lock();
        try {
            if (ended.getCount() == 0) {
                throw new WrennException(Kind.ABSENT, "the process has ended");
            }
            stream.put(new ProcessEvent.Started(pid()));
            if (replay && shown.size() > 0) {
                stream.put(new ProcessEvent.Output(Channel.PTY, shown.toByteArray()));
            }
            readers.add(stream);
        } finally {
            lock.unlock();
        }
        return stream;
    }

    private void detach(SimStream stream) {
        lock.lock();
        try {
            readers.remove(stream);
        } finally {
            lock.unlock();
        }
    }

    private void endAt(Duration limit) {
        try {
            if (!ended.await(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                timedOut = true;
                running().signal(Signal.KILL);
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void wrote(Channel channel, byte[] bytes) {
        if (!hasStarted() || ended.getCount() == 0) {
            return; // the guest has let go of whoever still writes
        }
        List<SimStream> now;
        lock.lock();
        try {
            if (channel == Channel.PTY) {
                remember(bytes);
            }
            now = List.copyOf(readers);
        } finally {
            lock.unlock();
        }
        // Outside of the lock: a slow reader must not keep others from coming and going.
        now.forEach(r -> r.put(new ProcessEvent.Output(channel, bytes)));
    }

    private void remember(byte[] bytes) {
        shown.writeBytes(bytes);
        if (shown.size() > SCROLLBACK_BYTES) {
            var all = shown.toByteArray();
            shown.reset();
            shown.writeBytes(Arrays.copyOfRange(all, all.length - SCROLLBACK_BYTES, all.length));
        }
    }

    @Override
    public void ended(int exitCode, String status) {
        if (!hasStarted()) {
            return;
        }
        List<SimStream> now;
        lock.lock();
        try {
            ended.countDown();
            now = List.copyOf(readers);
            readers.clear();
        } finally {
            lock.unlock();
        }
        onEnd.accept(this); // first: who hears of the end must not find it in the list
        var end =
                timedOut
                        ? new ProcessEvent.Ended(-1, "killed at its limit", true)
                        : new ProcessEvent.Ended(exitCode, status, false);
        now.forEach(r -> r.put(end));
    }

    private boolean hasStarted() {
        try {
            started.await();
            return true;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    Programs.Running running() {
        var now = running;
        if (now == null) {
            throw new WrennException(Kind.ABSENT, "the process has not started");
        }
        return now;
    }

    int pid() {
        return running().pid();
    }

    GuestProcess describe() {
        return new GuestProcess(pid(), order.tag(), order.command(), order.arguments());
    }

    ProcessStart order() {
        return order;
    }
}
