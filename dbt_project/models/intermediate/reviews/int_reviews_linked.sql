with

reviews as (
    select * from {{ ref('int_reviews_unioned') }}
),

clues as (
    select * from {{ ref('int_customer_clues_unioned') }}
),

final as (
    select
        reviews.*,
        coalesce(by_email.customer_id, by_order.customer_id, by_name.customer_id) as customer_id,
        case
            when by_email.customer_id is not null then 'email'
            when by_order.customer_id is not null then 'order_reference'
            when by_name.customer_id is not null then 'name'
        end as linked_by
    from reviews
    left join clues as by_email
        on
            {{ normalised_text('reviews.author_email') }} = by_email.value
            and by_email.clue = 'email'
    left join clues as by_order
        on
            {{ normalised_text('reviews.order_reference') }} = by_order.value
            and by_order.clue = 'order_reference'
    left join clues as by_name
        on
            {{ normalised_text('reviews.author_name') }} = by_name.value
            and by_name.clue = 'name'
)

select * from final
