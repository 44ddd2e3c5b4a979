/** Ground shared by every process: errors, ownership, deadlines, threads, commands. */
@NullMarked
package dev.wrenn.base;

import org.jspecify.annotations.NullMarked;
