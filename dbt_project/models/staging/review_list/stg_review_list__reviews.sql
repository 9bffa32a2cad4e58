with

reviews as (
    {{ current_records(
        source('raw_review_list', 'reviews'),
        [normalised_text('platform'), cleaned_text('review_id')]
    ) }}
),

final as (
    select
        {{ normalised_text('platform') }} as platform,
        {{ cleaned_text('review_id') }} as review_id,
        {{ parse_decimal('rating', '_decimal_mark') }} as rating,
        {{ cleaned_text('title') }} as title,
        {{ cleaned_text('text') }} as text,
        {{ cleaned_text('author_name') }} as author_name,
        lower({{ cleaned_text('author_email') }}) as author_email,
        {{ cleaned_text('order_reference') }} as order_reference,
        {{ parse_timestamp('created_at') }} as created_at,
        {{ cleaned_text('reply_text') }} as reply_text,
        {{ parse_timestamp('reply_at') }} as replied_at,
        _load_id as load_id
    from reviews
)

select * from final
