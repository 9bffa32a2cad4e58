with

complaints as (
    select * from {{ ref('int_complaints_linked') }}
),

final as (
    select
        source,
        complaint_id,
        customer_id,
        linked_by,
        subject,
        text,
        category,
        priority,
        demand,
        order_reference,
        opened_at,
        closed_at,
        is_open,
        hours_to_solve,
        satisfaction
    from complaints
)

select * from final
