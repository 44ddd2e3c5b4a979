package dev.wrenn.control.wrong;

/** Something of a module that others must not know. */
public record Anything(String name) {}
