package dev.wrenn.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.assertj.core.api.Assertions;

/**
 * What a machine holds at one moment, comparable with what it holds later: nothing may be left
 * behind.
 *
 * @param things for each part what there is and how often
 */
public record HostInventory(Map<Part, SortedMap<String, Integer>> things) {
    /** A sort of thing that can be left behind. */
    public enum Part {
        /** Named network namespaces. */
        NETWORK_NAMESPACES,
        /** Network links of the namespace that we are in. */
        LINKS,
        /** Tables of nftables. */
        NFT_TABLES,
        /** Mounts that this process sees. */
        MOUNTS,
        /** Loop devices with their backing files. */
        LOOP_DEVICES,
        /** Processes of virtual machines, with their command lines. */
        VMM_PROCESSES,
        /** Control groups. */
        CGROUPS,
        /** Files under the roots of the view. */
        FILES,
        /** Open descriptors of this process by what they are. */
        DESCRIPTORS,
        /** Platform threads of this process. */
        THREADS
    }

    /** All that the machine itself holds; descriptors, threads and files are added by name. */
    public static HostView view() {
        return HostView.ofTheMachine();
    }

    /** What differs, one thing a line: {@code +} is new, {@code -} is gone. */
    public List<String> changesUntil(HostInventory later) {
        var changes = new ArrayList<String>();
        var parts = new EnumMap<Part, SortedMap<String, Integer>>(Part.class);
        parts.putAll(things);
        later.things.keySet().forEach(part -> parts.putIfAbsent(part, new TreeMap<>()));
        for (var part : parts.keySet()) {
            var before = things.getOrDefault(part, new TreeMap<>());
            var after = later.things.getOrDefault(part, new TreeMap<>());
            var names = new TreeMap<>(before);
            names.putAll(after);
            for (var name : names.keySet()) {
                int difference = after.getOrDefault(name, 0) - before.getOrDefault(name, 0);
                // Work in the background may have had a file open at the first look.
                boolean isClosedSince = difference < 0 && part == Part.DESCRIPTORS;
                if (difference != 0 && !isClosedSince) {
                    changes.add(
                            "%s %s %s (%+d)"
                                    .formatted(difference > 0 ? '+' : '-', part, name, difference));
                }
            }
        }
        return changes;
    }

    /**
     * Demands that the view shows this inventory again; what is being removed gets the limit.
     *
     * @throws AssertionError that names what differs
     */
    public void assertRestored(HostView view, Duration limit) {
        Eventually.holds(
                limit,
                () ->
                        Assertions.assertThat(changesUntil(view.take()))
                                .as("left behind or lost")
                                .isEmpty());
    }
}
