with

customers as (
    select * from {{ ref('int_customers_described') }}
),

final as (
    select
        'sales_list' as source,
        customer_key_kind as key_kind,
        customer_key_hash as key_hash,
        customer_number,
        customer_id,
        'same ' || replace(customer_key_kind, '_', ' ') as rule,
        cast(1 as double) as probability
    from customers
)

select * from final
