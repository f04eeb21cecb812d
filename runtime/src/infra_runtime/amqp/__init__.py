"""Messages with AMQP 0-9-1: the declaration of exchanges and queues, and a format for messages."""
