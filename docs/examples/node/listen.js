// Hear messages as they happen: `node listen.js 'groups.#' 'events.event.*.v1'`, with the subscriber's address in CG_AMQP_URI.
// Prints each message as a line of JSON. What happens while this does not run waits in its queue.
import amqplib from 'amqplib';

const address = process.env.CG_AMQP_URI;
const exchange = process.env.CG_EXCHANGE ?? 'commonground.public';
const patterns = process.argv.length > 2 ? process.argv.slice(2) : ['#'];

// Called for each connection, the first and those that come after one was lost.
async function setup(connection) {
  const channel = await connection.createChannel();
  // What was refused is told by the call that asked for it.
  for (const one of [connection, channel]) one.on('error', () => {});
  const queue = `subscriber.${decodeURIComponent(new URL(address).username)}`;
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  for (const pattern of patterns) await channel.bindQueue(queue, exchange, pattern);
  await channel.prefetch(50);
  await channel.consume(queue, (message) => {
    if (message === null) return; // the queue is gone: the account was revoked
    console.log(message.content.toString()); // here: what this system is for
    channel.ack(message); // what was acknowledged does not come again
  });
  console.error(`listening from ${queue}`);
}

const connection = await amqplib.connect(address, { recovery: { setup, waitForConnect: false } });
for (const trouble of ['connect-failed', 'disconnect', 'error']) {
  connection.on(trouble, (fault) => console.error(`${fault?.message}: trying again`));
}
