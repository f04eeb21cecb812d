create index orders_by_customer on orders (customer, placed_at desc);
