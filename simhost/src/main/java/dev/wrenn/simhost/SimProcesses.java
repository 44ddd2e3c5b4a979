package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestProcess;
import dev.wrenn.contract.guest.ProcessSelector;
import dev.wrenn.contract.guest.ProcessStart;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/** The processes of a simulated guest; they live on through pauses. */
final class SimProcesses {
    private final Programs programs;
    private final Map<String, String> environment;
    private final ReentrantLock starting = new ReentrantLock();
    private final List<SimProcess> live = new CopyOnWriteArrayList<>();
    private final List<SimProcess> everStarted = new ArrayList<>(); // guarded by starting

    SimProcesses(Programs programs, Map<String, String> environment) {
        this.programs = programs;
        this.environment = environment;
    }

    SimStream start(ProcessStart order, SimFiles files) {
        var variables = new HashMap<>(environment);
        variables.putAll(order.environment());
        var surroundings =
                new Programs.Surroundings(
                        files.home(), files.directory(order.directory().orElse("~")), variables);
        starting.lock(); // held while starting: a tag must not be given twice
        try {
            order.tag()
                    .ifPresent(tag -> {
                        if (find(new ProcessSelector.ByTag(tag)).isPresent()) {
                            throw new WrennException(
                                    Kind.CONFLICT, "a process with tag '" + tag + "' exists");
                        }
                    });
            var process = new SimProcess(order, live::remove);
            live.add(process);
            try {
                var stream = process.start(programs, surroundings);
                everStarted.add(process);
                return stream;
            } catch (WrennException e) {
                live.remove(process);
                throw e;
            }
        } finally {
            starting.unlock();
        }
    }

    SimProcess require(ProcessSelector selector) {
        return find(selector)
                .orElseThrow(() ->
                        new WrennException(
                                Kind.ABSENT,
                                switch (selector) {
                                    case ProcessSelector.ByPid(int pid) ->
                                            "there is no process " + pid;
                                    case ProcessSelector.ByTag(String tag) ->
                                            "there is no process with tag '" + tag + "'";
                                }));
    }

    SimProcess requireTerminal(ProcessSelector selector) {
        var process = require(selector);
        if (process.order().pty().isEmpty()) {
            throw new WrennException(Kind.INVALID, "the process has no terminal");
        }
        return process;
    }

    private Optional<SimProcess> find(ProcessSelector selector) {
        return live.stream()
                .filter(p ->
                        switch (selector) {
                            case ProcessSelector.ByPid(int pid) -> p.pid() == pid;
                            case ProcessSelector.ByTag(String tag) ->
                                    p.order().tag().equals(Optional.of(tag));
                        })
                .findFirst();
    }

    List<GuestProcess> list() {
        return live.stream().map(SimProcess::describe).toList();
    }

    void freeze() {
        live.forEach(p -> p.running().freeze());
    }

    void thaw() {
        live.forEach(p -> p.running().thaw());
    }

    /** Ends all of them and whatever they left behind. */
    void vanish() {
        starting.lock();
        try {
            everStarted.forEach(p -> p.running().vanish());
            everStarted.clear();
        } finally {
            starting.unlock();
        }
    }
}
