package dev.wrenn.snapshot;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Layers that a collection must leave alone because a manifest that names them is being made.
 *
 * <p>The collector forgets released pins first, then lists the layers, then reads the manifests,
 * and only then asks for the pins. So whoever pins a layer before making it, or while a manifest
 * that names it is in force, and releases it after another manifest names it, never loses it: at
 * one of the three looks it is seen. Thread-safe.
 */
final class LayerPins {
    private final Map<Object, Set<String>> pins = new HashMap<>();
    private final Set<Object> released = new HashSet<>();

    /** Adds to what a holder pins. */
    synchronized void pin(Object holder, Collection<String> layers) {
        pins.computeIfAbsent(holder, _ -> new HashSet<>()).addAll(layers);
        released.remove(holder);
    }

    /** The holder's pins end with the collection after the one that may be under way. */
    synchronized void release(Object holder) {
        if (pins.containsKey(holder)) {
            released.add(holder);
        }
    }

    /** First step of a collection. */
    synchronized void forgetReleased() {
        released.forEach(pins::remove);
        released.clear();
    }

    /** Last look of a collection. */
    synchronized Set<String> layers() {
        var all = new HashSet<String>();
        pins.values().forEach(all::addAll);
        return all;
    }
}
