/** WebSocket conversations: streams of processes and terminals. */
@NullMarked
package dev.wrenn.control.socket;

import org.jspecify.annotations.NullMarked;
