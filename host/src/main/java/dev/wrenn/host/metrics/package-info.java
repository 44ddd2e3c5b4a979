/** What capsules use over time: measured, averaged and kept. */
@NullMarked
package dev.wrenn.host.metrics;

import org.jspecify.annotations.NullMarked;
