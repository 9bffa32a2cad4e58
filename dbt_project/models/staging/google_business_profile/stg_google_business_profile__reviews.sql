with

reviews as (
    {{ current_records(source('raw_google_business_profile', 'reviews'), ['review_id']) }}
),

final as (
    select
        review_id,
        case star_rating
            when 'ONE' then 1
            when 'TWO' then 2
            when 'THREE' then 3
            when 'FOUR' then 4
            when 'FIVE' then 5
        end as rating,
        {{ cleaned_text('comment') }} as text,
        coalesce({{ parse_flag('is_anonymous') }}, false) as is_anonymous,
        {{ cleaned_text('reviewer_name') }} as author_name,
        {{ parse_timestamp('create_time') }} as created_at,
        {{ parse_timestamp('update_time') }} as updated_at,
        {{ cleaned_text('reply_comment') }} as reply_text,
        {{ parse_timestamp('reply_time') }} as replied_at,
        _load_id as load_id
    from reviews
)

select * from final
