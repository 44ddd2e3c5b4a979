package dev.wrenn.host.journal;

import java.util.HashMap;
import java.util.Map;

/**
 * What this host knows of a template.
 *
 * @param version of this file's layout
 * @param template its id
 * @param snapshot what capsules start from; empty for a template that is a disk only
 * @param shapes of a disk template: snapshot id by shape, each booted once
 */
public record TemplateRecord(
        int version, String template, String snapshot, Map<String, String> shapes) {
    /** Layout written by this code. */
    public static final int VERSION = 1;

    /** Copies the map. */
    public TemplateRecord {
        shapes = Map.copyOf(shapes);
    }

    /** A template that any shape can be booted from. */
    public static TemplateRecord disk(String template) {
        return new TemplateRecord(VERSION, template, "", Map.of());
    }

    /** A template that holds memory. */
    public static TemplateRecord snapshot(String template, String snapshot) {
        return new TemplateRecord(VERSION, template, snapshot, Map.of());
    }

    /** Whether it holds memory. */
    public boolean holdsMemory() {
        return !snapshot.isEmpty();
    }

    /** With one more booted shape. */
    public TemplateRecord with(String shape, String snapshotOfShape) {
        var more = new HashMap<>(shapes);
        more.put(shape, snapshotOfShape);
        return new TemplateRecord(version, template, snapshot, more);
    }

    /** Every snapshot it needs. */
    public java.util.List<String> snapshots() {
        return holdsMemory() ? java.util.List.of(snapshot) : java.util.List.copyOf(shapes.values());
    }
}
