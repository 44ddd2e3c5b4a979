package dev.wrenn.control.operator;

/**
 * Connections to the database.
 *
 * @param active in use
 * @param idle open and not in use
 * @param waiting threads that wait for one
 * @param most how many there may be
 */
public record Connections(int active, int idle, int waiting, int most) {}
