package dev.wrenn.gateway;

import dev.wrenn.contract.guest.GuestPorts;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The passages of all runs that are used; one that ends is forgotten with its run. */
final class Passages {
    private final Map<GuestPorts, Passage> open = new ConcurrentHashMap<>();

    /** The passage of a run. */
    Passage of(GuestPorts ports) {
        var known = open.get(ports);
        if (known != null) {
            return known;
        }
        var made = new Passage(ports);
        var other = open.putIfAbsent(ports, made);
        if (other != null) {
            return other;
        }
        ports.onEnd(reason -> {
            open.remove(ports);
            made.end(reason);
        });
        return made;
    }

    /** How many runs are known. */
    int size() {
        return open.size();
    }
}
