with

reviews as (
    select * from {{ ref('int_reviews_linked') }}
),

final as (
    select
        platform,
        review_id,
        source,
        customer_id,
        linked_by,
        rating,
        title,
        text,
        language,
        created_at,
        reply_text,
        replied_at,
        is_verified
    from reviews
)

select * from final
